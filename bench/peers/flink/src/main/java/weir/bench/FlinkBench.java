// SPDX-License-Identifier: Apache-2.0
package weir.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.WindowAssigner;
import org.apache.flink.streaming.api.windowing.triggers.Trigger;
import org.apache.flink.streaming.api.windowing.triggers.TriggerResult;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * The benchmark's queries on Flink, in its embedded cluster: RocksDB state, incremental checkpoints, an exactly-once
 * Kafka sink.
 *
 * <p>multi and items are a keyed function with a state of its own per entity; tumble and hop are Flink's windows, with
 * a result for each event as weir has it. Events are tuples and rows are encoded by hand: no time goes into what is not
 * Flink.
 *
 * <p>FlinkBench BROKERS QUERY TOPIC OUT STATE-DIR CHECKPOINT-MS PROGRESS-FILE
 */
public final class FlinkBench {
    private static final TypeInformation<Tuple3<String, Long, Double>> EVENT =
            Types.TUPLE(Types.STRING, Types.LONG, Types.DOUBLE);
    private static final TypeInformation<Tuple3<Long, Double, Double>> SUMS =
            Types.TUPLE(Types.LONG, Types.DOUBLE, Types.DOUBLE);
    private static final TypeInformation<byte[]> BYTES = PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;
    private static final TypeInformation<Tuple2<byte[], byte[]>> ROW = Types.TUPLE(BYTES, BYTES);

    private FlinkBench() { }

    public static void main(String[] args) throws Exception {
        String query = args[1];
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(settings(args));
        env.getConfig().enableObjectReuse();
        Progress.show(args[6]);
        DataStream<Tuple3<String, Long, Double>> events =
                env.fromSource(source(args, query.equals("items")), watermarks(query), "events", EVENT);
        DataStream<Tuple2<byte[], byte[]>> rows = switch (query) {
            case "multi", "items" -> events.keyBy(event -> event.f0, Types.STRING).process(new Multi()).returns(ROW);
            case "tumble" -> windowed(events, TumblingEventTimeWindows.of(Duration.ofMinutes(5)));
            // What weir's `over 1h every 5m` has seen at the end of its hop: 1 h and the hop.
            case "hop" -> windowed(events, SlidingEventTimeWindows.of(Duration.ofMinutes(65), Duration.ofMinutes(5)));
            default -> throw new IllegalArgumentException(query);
        };
        rows.sinkTo(sink(args));
        env.execute(query);
    }

    private static Configuration settings(String[] args) {
        Configuration c = new Configuration();
        c.setString("parallelism.default", "1");
        c.setString("taskmanager.numberOfTaskSlots", "1");
        c.setString("taskmanager.memory.managed.size", "512m"); // RocksDB's caches and memtables
        c.setString("taskmanager.memory.network.min", "64m");
        c.setString("taskmanager.memory.network.max", "64m");
        c.setString("state.backend.type", "rocksdb");
        c.setString("state.backend.rocksdb.localdir", args[4] + "/rocksdb");
        c.setString("state.backend.rocksdb.use-bloom-filter", "true");
        c.setString("execution.checkpointing.incremental", "true");
        c.setString("execution.checkpointing.interval", args[5] + "ms");
        c.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
        c.setString("execution.checkpointing.storage", "filesystem");
        c.setString("execution.checkpointing.dir", "file://" + args[4] + "/checkpoints");
        c.setString("restart-strategy.type", "none");
        return c;
    }

    private static WatermarkStrategy<Tuple3<String, Long, Double>> watermarks(String query) {
        if (query.equals("multi") || query.equals("items")) {
            return WatermarkStrategy.noWatermarks();
        }
        return WatermarkStrategy.<Tuple3<String, Long, Double>>forBoundedOutOfOrderness(Duration.ofSeconds(5))
                .withTimestampAssigner((event, before) -> event.f1);
    }

    // ---- Kafka ----

    private static KafkaSource<Tuple3<String, Long, Double>> source(String[] args, boolean items) {
        return KafkaSource.<Tuple3<String, Long, Double>>builder().setBootstrapServers(args[0]).setTopics(args[2])
                .setGroupId(args[3]).setStartingOffsets(OffsetsInitializer.earliest())
                .setProperty("isolation.level", "read_committed")
                .setDeserializer(new Read(items)).build();
    }

    private static final class Read implements KafkaRecordDeserializationSchema<Tuple3<String, Long, Double>> {
        private static final long serialVersionUID = 1;
        private final boolean items;

        private Read(boolean items) {
            this.items = items;
        }

        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Tuple3<String, Long, Double>> out)
                throws IOException {
            Event event = Event.parse(record.value());
            out.collect(Tuple3.of(items ? event.item : event.user, event.ts, event.amount));
        }

        @Override
        public TypeInformation<Tuple3<String, Long, Double>> getProducedType() {
            return EVENT;
        }
    }

    private static KafkaSink<Tuple2<byte[], byte[]>> sink(String[] args) {
        Properties producer = new Properties();
        producer.put("transaction.timeout.ms", "600000");
        producer.put("linger.ms", "100"); // as Kafka Streams has it
        return KafkaSink.<Tuple2<byte[], byte[]>>builder().setBootstrapServers(args[0])
                .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE).setTransactionalIdPrefix(args[3])
                .setKafkaProducerConfig(producer).setRecordSerializer(new Write(args[3])).build();
    }

    private static final class Write implements KafkaRecordSerializationSchema<Tuple2<byte[], byte[]>> {
        private static final long serialVersionUID = 1;
        private final String topic;

        private Write(String topic) {
            this.topic = topic;
        }

        @Override
        public ProducerRecord<byte[], byte[]> serialize(Tuple2<byte[], byte[]> row, KafkaSinkContext context, Long time) {
            return new ProducerRecord<>(topic, row.f0, row.f1);
        }
    }

    // ---- multi: one keyed function ----

    private static final class Multi
            extends KeyedProcessFunction<String, Tuple3<String, Long, Double>, Tuple2<byte[], byte[]>> {
        private static final long serialVersionUID = 1;
        private transient ValueState<byte[]> stored;
        private transient MultiState state;

        @Override
        public void open(OpenContext context) {
            stored = getRuntimeContext().getState(new ValueStateDescriptor<>("state", BYTES));
            state = new MultiState();
        }

        @Override
        public void processElement(Tuple3<String, Long, Double> event, Context context,
                Collector<Tuple2<byte[], byte[]>> out) throws IOException {
            state.load(stored.value());
            state.add(event.f1, event.f2);
            stored.update(state.store());
            out.collect(Tuple2.of(event.f0.getBytes(StandardCharsets.UTF_8), state.row()));
        }
    }

    // ---- tumble, hop: Flink's windows ----

    private static DataStream<Tuple2<byte[], byte[]>> windowed(DataStream<Tuple3<String, Long, Double>> events,
            WindowAssigner<Object, TimeWindow> windows) {
        return events.keyBy(event -> event.f0, Types.STRING).window(windows).trigger(new EachEvent())
                .aggregate(new Add(), new Emit(), SUMS, SUMS, ROW);
    }

    /** A result for each event. The window's state goes when the watermark passes its end: the operator's own timer. */
    private static final class EachEvent extends Trigger<Object, TimeWindow> {
        private static final long serialVersionUID = 1;

        @Override
        public TriggerResult onElement(Object element, long time, TimeWindow window, TriggerContext context) {
            return TriggerResult.FIRE;
        }

        @Override
        public TriggerResult onEventTime(long time, TimeWindow window, TriggerContext context) {
            return TriggerResult.CONTINUE;
        }

        @Override
        public TriggerResult onProcessingTime(long time, TimeWindow window, TriggerContext context) {
            return TriggerResult.CONTINUE;
        }

        @Override
        public void clear(TimeWindow window, TriggerContext context) {
            // It keeps nothing.
        }
    }

    private static final class Add implements
            AggregateFunction<Tuple3<String, Long, Double>, Tuple3<Long, Double, Double>, Tuple3<Long, Double, Double>> {
        private static final long serialVersionUID = 1;

        @Override
        public Tuple3<Long, Double, Double> createAccumulator() {
            return Tuple3.of(0L, 0.0, Double.NEGATIVE_INFINITY);
        }

        @Override
        public Tuple3<Long, Double, Double> add(Tuple3<String, Long, Double> event, Tuple3<Long, Double, Double> sums) {
            sums.f0++;
            sums.f1 += event.f2;
            sums.f2 = Math.max(sums.f2, event.f2);
            return sums;
        }

        @Override
        public Tuple3<Long, Double, Double> getResult(Tuple3<Long, Double, Double> sums) {
            return sums;
        }

        @Override
        public Tuple3<Long, Double, Double> merge(Tuple3<Long, Double, Double> a, Tuple3<Long, Double, Double> b) {
            return Tuple3.of(a.f0 + b.f0, a.f1 + b.f1, Math.max(a.f2, b.f2));
        }
    }

    private static final class Emit
            extends ProcessWindowFunction<Tuple3<Long, Double, Double>, Tuple2<byte[], byte[]>, String, TimeWindow> {
        private static final long serialVersionUID = 1;
        private transient Row row;

        @Override
        public void open(OpenContext context) {
            row = new Row();
        }

        @Override
        public void process(String user, Context context, Iterable<Tuple3<Long, Double, Double>> found,
                Collector<Tuple2<byte[], byte[]>> out) {
            Tuple3<Long, Double, Double> sums = found.iterator().next();
            long end = context.window().getEnd();
            out.collect(Tuple2.of((user + "|" + end).getBytes(StandardCharsets.UTF_8),
                    row.start().add(end).add(sums.f0).add(sums.f1).add(sums.f2).end()));
        }
    }
}
