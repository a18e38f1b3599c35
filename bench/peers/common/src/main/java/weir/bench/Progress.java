// SPDX-License-Identifier: Apache-2.0
package weir.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicLong;

/** How many events were taken, in eight bytes of a file that bench/run looks at. */
public final class Progress {
    private static final AtomicLong TAKEN = new AtomicLong();

    private Progress() { }

    /** Called by one thread only: a plain store is enough. */
    public static void one() {
        TAKEN.lazySet(TAKEN.getPlain() + 1);
    }

    public static void show(String path) throws IOException {
        ByteBuffer file;
        try (FileChannel channel = FileChannel.open(Path.of(path), StandardOpenOption.CREATE,
                StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            file = channel.map(FileChannel.MapMode.READ_WRITE, 0, 8).order(ByteOrder.LITTLE_ENDIAN);
        }
        Thread thread = new Thread(() -> {
            while (true) {
                file.putLong(0, TAKEN.get());
                try {
                    Thread.sleep(100);
                } catch (InterruptedException e) {
                    return;
                }
            }
        });
        thread.setDaemon(true);
        thread.start();
    }
}
