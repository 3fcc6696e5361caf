package org.tflitekit.core.benchmark;

/** A clock that only goes forwards. */
interface Clock {
    /** Returns nanoseconds since some moment. */
    long nanos();

    /** The clock of the Java platform. */
    Clock SYSTEM = new Clock() {
        @Override
        public long nanos() {
            return System.nanoTime();
        }
    };
}
