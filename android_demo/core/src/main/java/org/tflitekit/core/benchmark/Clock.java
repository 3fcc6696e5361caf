package org.tflitekit.core.benchmark;

import java.util.concurrent.CancellationException;

/** A clock that only goes forwards. */
interface Clock {
    /** Returns nanoseconds since some moment. */
    long nanos();

    /**
     * Waits.
     *
     * @throws CancellationException the thread was asked to end
     */
    void sleep(double seconds);

    /** The clock of the Java platform. */
    Clock SYSTEM = new Clock() {
        @Override
        public long nanos() {
            return System.nanoTime();
        }

        @Override
        public void sleep(double seconds) {
            try {
                Thread.sleep((long) (seconds * 1e3));
            } catch (InterruptedException error) {
                throw new CancellationException("The benchmark was stopped; nothing was kept.");
            }
        }
    };
}
