package org.tflitekit.core;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;

/** How many bytes the current thread has allocated on the heap, by the JVM's own count. */
public final class AllocatedBytes {
    private static final ThreadMXBean BEAN = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final long THREAD = Thread.currentThread().getId();

    private AllocatedBytes() {}

    public static long now() {
        if (Thread.currentThread().getId() != THREAD) {
            throw new IllegalStateException("Tests run on one thread.");
        }
        return BEAN.getThreadAllocatedBytes(THREAD);
    }
}
