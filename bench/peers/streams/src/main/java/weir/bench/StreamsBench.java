// SPDX-License-Identifier: Apache-2.0
package weir.bench;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The benchmark's queries on Kafka Streams: exactly_once_v2, RocksDB, its record cache on.
 *
 * <p>multi and items are a processor with a state of its own per entity; tumble and hop are the DSL's windows. Keys stay
 * bytes, rows are encoded by hand: no time goes into what is not Kafka Streams.
 *
 * <p>StreamsBench BROKERS QUERY TOPIC OUT STATE-DIR COMMIT-MS PROGRESS-FILE
 */
public final class StreamsBench {
    private static final Duration GRACE = Duration.ofSeconds(5); // the lateness of weir's job
    // A window store is a RocksDB instance for every half of its retention. By default that is the window's size: at the
    // speed of a replay it would open and drop thousands of them.
    private static final Duration RETENTION = Duration.ofHours(6);

    private StreamsBench() { }

    public static void main(String[] args) throws Exception {
        StreamsBuilder builder = new StreamsBuilder();
        build(builder, args[1], args[2], args[3]);
        Progress.show(args[6]);
        KafkaStreams streams = new KafkaStreams(builder.build(), settings(args));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        streams.start();
    }

    private static Properties settings(String[] args) {
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, args[3]);
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        p.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[5]);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20);
        p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, BoundedRocksDb.class);
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        p.put(StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG), 60_000); // above the commit interval
        // Few, large fetches, as for throughput.
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
        p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 5000);
        return p;
    }

    private static void build(StreamsBuilder builder, String query, String topic, String out) {
        KStream<Bytes, Event> events = builder.stream(topic, Consumed.with(Serdes.Bytes(), json())
                .withTimestampExtractor((record, before) -> ((Event) record.value()).ts));
        KStream<Bytes, byte[]> rows = switch (query) {
            case "multi" -> events.process(multi());
            case "items" -> events.selectKey((user, event) -> Bytes.wrap(event.item.getBytes(StandardCharsets.UTF_8)))
                    .repartition(Repartitioned.with(Serdes.Bytes(), compact())).process(multi());
            case "tumble" -> windowed(events, TimeWindows.ofSizeAndGrace(Duration.ofMinutes(5), GRACE));
            // What weir's `over 1h every 5m` has seen at the end of its hop: 1 h and the hop.
            case "hop" -> windowed(events, TimeWindows.ofSizeAndGrace(Duration.ofMinutes(65), GRACE)
                    .advanceBy(Duration.ofMinutes(5)));
            default -> throw new IllegalArgumentException(query);
        };
        rows.to(out, Produced.with(Serdes.Bytes(), Serdes.ByteArray()));
    }

    // ---- multi: one processor ----

    private static ProcessorSupplier<Bytes, Event, Bytes, byte[]> multi() {
        StoreBuilder<KeyValueStore<Bytes, byte[]>> store = Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore("state"), Serdes.Bytes(), Serdes.ByteArray()).withCachingEnabled();
        return new ProcessorSupplier<>() {
            @Override
            public Processor<Bytes, Event, Bytes, byte[]> get() {
                return new Multi();
            }

            @Override
            public Set<StoreBuilder<?>> stores() {
                return Set.of(store);
            }
        };
    }

    private static final class Multi extends ContextualProcessor<Bytes, Event, Bytes, byte[]> {
        private final MultiState state = new MultiState();
        private KeyValueStore<Bytes, byte[]> store;

        @Override
        public void init(org.apache.kafka.streams.processor.api.ProcessorContext<Bytes, byte[]> context) {
            super.init(context);
            store = context.getStateStore("state");
        }

        @Override
        public void process(Record<Bytes, Event> record) {
            Event event = record.value();
            state.load(store.get(record.key()));
            state.add(event.ts, event.amount);
            store.put(record.key(), state.store());
            context().forward(record.withValue(state.row()));
        }
    }

    // ---- tumble, hop: the DSL's windows ----

    private static KStream<Bytes, byte[]> windowed(KStream<Bytes, Event> events, TimeWindows windows) {
        Row row = new Row(); // one stream thread
        return events.groupByKey(Grouped.with(Serdes.Bytes(), json()))
                .windowedBy(windows)
                .aggregate(Sums::new, (user, event, sums) -> sums.add(event.amount),
                        Materialized.<Bytes, Sums, WindowStore<Bytes, byte[]>>as("windows")
                                .withKeySerde(Serdes.Bytes()).withValueSerde(sums()).withCachingEnabled()
                                .withRetention(RETENTION))
                .toStream()
                .map((key, sums) -> KeyValue.pair(key(key.key(), key.window().end()),
                        row.start().add(key.window().end()).add(sums.count).add(sums.sum).add(sums.max).end()));
    }

    private static Bytes key(Bytes user, long end) {
        byte[] tail = ("|" + end).getBytes(StandardCharsets.UTF_8);
        return Bytes.wrap(ByteBuffer.allocate(user.get().length + tail.length).put(user.get()).put(tail).array());
    }

    private static final class Sums {
        private long count;
        private double sum;
        private double max = Double.NEGATIVE_INFINITY;

        private Sums add(double amount) {
            count++;
            sum += amount;
            max = Math.max(max, amount);
            return this;
        }
    }

    // ---- bytes ----

    private static Serde<Event> json() {
        Deserializer<Event> read = (topic, bytes) -> Event.parse(bytes);
        return Serdes.serdeFrom((topic, event) -> {
            throw new UnsupportedOperationException("events are only read");
        }, read);
    }

    /** What goes through the repartition topic. */
    private static Serde<Event> compact() {
        return Serdes.serdeFrom(
                (topic, event) -> ByteBuffer.allocate(16).putLong(event.ts).putDouble(event.amount).array(),
                (topic, bytes) -> {
                    Event event = new Event();
                    event.ts = ByteBuffer.wrap(bytes).getLong();
                    event.amount = ByteBuffer.wrap(bytes).getDouble(8);
                    return event;
                });
    }

    private static Serde<Sums> sums() {
        return Serdes.serdeFrom(
                (topic, s) -> s == null ? null
                        : ByteBuffer.allocate(24).putLong(s.count).putDouble(s.sum).putDouble(s.max).array(),
                (topic, bytes) -> {
                    if (bytes == null) {
                        return null;
                    }
                    ByteBuffer in = ByteBuffer.wrap(bytes);
                    Sums s = new Sums();
                    s.count = in.getLong();
                    s.sum = in.getDouble();
                    s.max = in.getDouble();
                    return s;
                });
    }
}
