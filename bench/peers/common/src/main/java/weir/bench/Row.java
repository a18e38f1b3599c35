// SPDX-License-Identifier: Apache-2.0
package weir.bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** A feature row in Avro's binary encoding, written by hand: longs and doubles, nothing else. */
public final class Row {
    private final byte[] bytes = new byte[256];
    private final ByteBuffer doubles = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    private int at;

    public Row start() {
        at = 0;
        return this;
    }

    public Row add(long value) {
        long z = (value << 1) ^ (value >> 63);
        for (; (z & ~0x7fL) != 0; z >>>= 7) {
            bytes[at++] = (byte) (z | 0x80);
        }
        bytes[at++] = (byte) z;
        return this;
    }

    public Row add(double value) {
        doubles.putDouble(at, value);
        at += 8;
        return this;
    }

    public byte[] end() {
        return Arrays.copyOf(bytes, at);
    }
}
