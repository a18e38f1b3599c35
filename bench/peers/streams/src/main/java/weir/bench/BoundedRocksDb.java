// SPDX-License-Identifier: Apache-2.0
package weir.bench;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.WriteBufferManager;

/** One block cache and one budget of memtables for all stores, as Kafka Streams' documentation advises. */
public final class BoundedRocksDb implements RocksDBConfigSetter {
    private static final Cache CACHE = new LRUCache(384L << 20, -1, false, 0.1);
    private static final WriteBufferManager BUFFERS = new WriteBufferManager(128L << 20, CACHE);
    private static final BloomFilter BLOOM = new BloomFilter(10);

    @Override
    public void setConfig(String store, Options options, Map<String, Object> configs) {
        BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
        table.setBlockCache(CACHE);
        table.setCacheIndexAndFilterBlocks(true);
        table.setCacheIndexAndFilterBlocksWithHighPriority(true);
        table.setPinTopLevelIndexAndFilter(true);
        table.setFilterPolicy(BLOOM);
        options.setWriteBufferManager(BUFFERS);
        options.setWriteBufferSize(32L << 20);
        options.setTableFormatConfig(table);
    }

    @Override
    public void close(String store, Options options) {
        // What is shared lives as long as the process.
    }
}
