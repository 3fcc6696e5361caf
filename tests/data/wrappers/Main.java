import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.tensorflow.lite.Interpreter;

/** Runs generated wrappers on samples, and measures what a run allocates; arguments: the runtime's library, folders of cases. */
public final class Main {
    /** One wrapper. */
    public interface Case {
        void run(int sample);

        Object[] outputs();

        int[] top();

        String[] labels();

        void close();
    }

    public static void main(String[] arguments) throws Exception {
        System.load(arguments[0]);
        for (int i = 1; i < arguments.length; i++) {
            Path folder = Paths.get(arguments[i]);
            String[] settings = text(folder.resolve("case.txt")).split("\n");
            boolean resets = Boolean.parseBoolean(settings[1]);
            ByteBuffer model = model(folder);
            Case made =
                    (Case)
                            Class.forName(settings[0])
                                    .getConstructor(ByteBuffer.class, Path.class)
                                    .newInstance(model, folder);
            int samples = Integer.parseInt(settings[2]);
            int runs = Integer.parseInt(settings[3]);
            for (int sample = 0; sample < samples; sample++) {
                made.run(sample);
                Object[] outputs = made.outputs();
                for (int output = 0; output < outputs.length; output++) {
                    Files.write(folder.resolve("output-" + sample + "-" + output + ".bin"), bytes(outputs[output]));
                }
                Files.write(folder.resolve("top-" + sample + ".bin"), bytes(made.top()));
            }
            StringBuilder labels = new StringBuilder();
            for (String label : made.labels()) {
                labels.append(label).append('\0');
            }
            Files.write(folder.resolve("labels.txt"), labels.toString().getBytes(StandardCharsets.UTF_8));
            String counts = allocated(made, runs) + "\n" + allocatedWithout(model, resets, runs) + "\n";
            Files.write(folder.resolve("allocated.txt"), counts.getBytes(StandardCharsets.UTF_8));
            made.close();
        }
    }

    private static long allocated(Case made, int runs) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long id = Thread.currentThread().getId();
        made.run(0);
        long before = threads.getThreadAllocatedBytes(id);
        for (int i = 0; i < runs; i++) {
            made.run(0);
        }
        return threads.getThreadAllocatedBytes(id) - before;
    }

    /** The same runs of the interpreter alone. */
    private static long allocatedWithout(ByteBuffer model, boolean resets, int runs) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long id = Thread.currentThread().getId();
        Interpreter interpreter = new Interpreter(model);
        interpreter.allocateTensors();
        Object[] inputs = new Object[interpreter.getInputTensorCount()];
        Map<Integer, Object> outputs = new HashMap<>();
        List<ByteBuffer> buffers = new ArrayList<>();
        for (int i = 0; i < inputs.length; i++) {
            inputs[i] = direct(interpreter.getInputTensor(i).numBytes());
        }
        for (int i = 0; i < interpreter.getOutputTensorCount(); i++) {
            buffers.add(direct(interpreter.getOutputTensor(i).numBytes()));
            outputs.put(i, buffers.get(i));
        }
        long before = 0;
        for (int i = -1; i < runs; i++) {
            if (i == 0) {
                before = threads.getThreadAllocatedBytes(id);
            }
            for (int j = 0; j < buffers.size(); j++) {
                buffers.get(j).rewind();
            }
            if (resets) {
                interpreter.resetVariableTensors();
            }
            interpreter.runForMultipleInputsOutputs(inputs, outputs);
        }
        long found = threads.getThreadAllocatedBytes(id) - before;
        interpreter.close();
        return found;
    }

    private static ByteBuffer model(Path folder) throws IOException {
        byte[] content = Files.readAllBytes(folder.resolve("model.tflite"));
        ByteBuffer buffer = direct(content.length);
        buffer.put(content);
        buffer.rewind();
        return buffer;
    }

    private static ByteBuffer direct(int size) {
        return ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder());
    }

    private static String text(Path path) throws IOException {
        return new String(Files.readAllBytes(path), StandardCharsets.UTF_8);
    }

    public static byte[] bytes(Path path) throws IOException {
        return Files.readAllBytes(path);
    }

    private static ByteBuffer little(byte[] content) {
        return ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
    }

    public static float[] floats(Path path) throws IOException {
        byte[] content = bytes(path);
        float[] values = new float[content.length / 4];
        little(content).asFloatBuffer().get(values);
        return values;
    }

    public static int[] ints(Path path) throws IOException {
        byte[] content = bytes(path);
        int[] values = new int[content.length / 4];
        little(content).asIntBuffer().get(values);
        return values;
    }

    public static long[] longs(Path path) throws IOException {
        byte[] content = bytes(path);
        long[] values = new long[content.length / 8];
        little(content).asLongBuffer().get(values);
        return values;
    }

    private static byte[] bytes(Object array) {
        if (array instanceof float[]) {
            ByteBuffer buffer = little(new byte[((float[]) array).length * 4]);
            buffer.asFloatBuffer().put((float[]) array);
            return buffer.array();
        }
        if (array instanceof long[]) {
            ByteBuffer buffer = little(new byte[((long[]) array).length * 8]);
            buffer.asLongBuffer().put((long[]) array);
            return buffer.array();
        }
        ByteBuffer buffer = little(new byte[((int[]) array).length * 4]);
        buffer.asIntBuffer().put((int[]) array);
        return buffer.array();
    }
}
