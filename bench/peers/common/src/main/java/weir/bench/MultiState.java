// SPDX-License-Identifier: Apache-2.0
package weir.bench;

import java.nio.ByteBuffer;

/**
 * The state of the query multi for one entity, as weir has it: per window a list of tiles with the count, sum and
 * maximum of their events. One object is used for all entities in turn: load, add, row, store.
 *
 * <p>`over W every h` at time t covers floor((t - W) / h) * h to t; t is the largest event time so far.
 */
public final class MultiState {
    private static final long[] WIDTH = {300_000, 3_600_000, 86_400_000};
    private static final long[] HOP = {25_000, 300_000, 3_600_000};
    private static final int TILES = 32; // a window has at most 25
    private static final int TILE_BYTES = 4 + 4 + 8 + 8;

    private static final class Tiles {
        int n;
        final int[] number = new int[TILES];
        final int[] count = new int[TILES];
        final double[] sum = new double[TILES];
        final double[] max = new double[TILES];
    }

    private final Tiles[] windows = {new Tiles(), new Tiles(), new Tiles()};
    private final Row row = new Row();
    private long clock;

    public void load(byte[] state) {
        if (state == null) {
            clock = Long.MIN_VALUE;
            for (Tiles w : windows) {
                w.n = 0;
            }
            return;
        }
        ByteBuffer in = ByteBuffer.wrap(state);
        clock = in.getLong();
        for (Tiles w : windows) {
            w.n = in.get();
            for (int i = 0; i < w.n; i++) {
                w.number[i] = in.getInt();
                w.count[i] = in.getInt();
                w.sum[i] = in.getDouble();
                w.max[i] = in.getDouble();
            }
        }
    }

    public byte[] store() {
        int tiles = windows[0].n + windows[1].n + windows[2].n;
        ByteBuffer out = ByteBuffer.allocate(8 + 3 + tiles * TILE_BYTES);
        out.putLong(clock);
        for (Tiles w : windows) {
            out.put((byte) w.n);
            for (int i = 0; i < w.n; i++) {
                out.putInt(w.number[i]).putInt(w.count[i]).putDouble(w.sum[i]).putDouble(w.max[i]);
            }
        }
        return out.array();
    }

    public void add(long ts, double amount) {
        clock = Math.max(clock, ts);
        for (int i = 0; i < windows.length; i++) {
            int first = (int) ((clock - WIDTH[i]) / HOP[i]);
            forget(windows[i], first);
            int tile = (int) (ts / HOP[i]);
            if (tile >= first) {
                add(windows[i], tile, amount);
            }
        }
    }

    private static void forget(Tiles w, int first) {
        int gone = 0;
        while (gone < w.n && w.number[gone] < first) {
            gone++;
        }
        if (gone > 0) {
            move(w, gone, 0, w.n - gone);
            w.n -= gone;
        }
    }

    private static void move(Tiles w, int from, int to, int n) {
        System.arraycopy(w.number, from, w.number, to, n);
        System.arraycopy(w.count, from, w.count, to, n);
        System.arraycopy(w.sum, from, w.sum, to, n);
        System.arraycopy(w.max, from, w.max, to, n);
    }

    private static void add(Tiles w, int tile, double amount) {
        int i = w.n;
        while (i > 0 && w.number[i - 1] > tile) {
            i--;
        }
        if (i > 0 && w.number[i - 1] == tile) {
            i--;
            w.count[i]++;
            w.sum[i] += amount;
            w.max[i] = Math.max(w.max[i], amount);
            return;
        }
        move(w, i, i + 1, w.n - i);
        w.n++;
        w.number[i] = tile;
        w.count[i] = 1;
        w.sum[i] = amount;
        w.max[i] = amount;
    }

    /** The features at the entity's clock. */
    public byte[] row() {
        row.start().add(clock);
        for (Tiles w : windows) {
            long count = 0;
            double sum = 0;
            double max = Double.NEGATIVE_INFINITY;
            for (int i = 0; i < w.n; i++) {
                count += w.count[i];
                sum += w.sum[i];
                max = Math.max(max, w.max[i]);
            }
            row.add(count).add(sum).add(sum / count).add(max);
        }
        return row.end();
    }
}
