import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.codehaus.mojo.animal_sniffer.ClassFileVisitor;
import org.codehaus.mojo.animal_sniffer.SignatureBuilder;
import org.codehaus.mojo.animal_sniffer.SignatureChecker;
import org.codehaus.mojo.animal_sniffer.logging.Logger;
import org.objectweb.asm.AnnotationVisitor;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.Handle;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Looks into class files: java ClassCheck.java SIGNATURE APP [JAR ...]
 *
 * <p>APP is the folder with the app's classes, the jars are the libraries that it is packed with. Prints one line for each
 * finding: its kind, a tab, and the text. Kinds: "api" (something that neither Android's API in SIGNATURE nor the app has),
 * "indy" (invokedynamic), "androidx" (the app's classes name
 * AndroidX; libraries may, in annotations), "guarded" (code marked @TargetApi, where newer API is allowed).
 */
public final class ClassCheck {
    private static final String GUARD = "android.annotation.TargetApi";
    private static final String GUARD_DESCRIPTOR = "Landroid/annotation/TargetApi;";

    public static void main(String[] arguments) throws IOException {
        List<File> all = new ArrayList<>();
        for (int i = 1; i < arguments.length; i++) {
            all.add(new File(arguments[i]));
        }
        api(new File(arguments[0]), all);
        for (File file : all) {
            new Contents(file == all.get(0)).process(file);
        }
    }

    /**
     * Reports what is neither in Android's API nor in the app and its libraries. These are a part of the signature, not ignored:
     * so a method that an activity inherits from Android is looked up in Android's API of that level.
     */
    private static void api(File signature, List<File> all) throws IOException {
        Logger silent = new Lines(null);
        ByteArrayOutputStream known = new ByteArrayOutputStream();
        try (InputStream android = new FileInputStream(signature)) {
            SignatureBuilder builder = new SignatureBuilder(new InputStream[] {android}, known, silent);
            for (File file : all) {
                builder.process(file);
            }
            builder.close();
        }
        SignatureChecker checker =
                new SignatureChecker(
                        new ByteArrayInputStream(known.toByteArray()), Collections.<String>emptySet(), new Lines("api"));
        checker.setAnnotationTypes(Collections.singleton(GUARD));
        checker.setSourcePath(Collections.<File>emptyList());
        for (File file : all) {
            checker.process(file);
        }
    }

    private static void say(String kind, String text) {
        System.out.println(kind + "\t" + text);
    }

    private static final class Contents extends ClassFileVisitor {
        private final boolean app;

        Contents(boolean app) {
            this.app = app;
        }

        @Override
        protected void process(String file, InputStream stream) throws IOException {
            byte[] content = stream.readAllBytes();
            String text = new String(content, StandardCharsets.ISO_8859_1);
            ClassReader reader = new ClassReader(content);
            String name = reader.getClassName().replace('/', '.');
            if (app && (text.contains("androidx/") || text.contains("androidx."))) {
                say("androidx", name);
            }
            reader.accept(new Code(name), ClassReader.SKIP_DEBUG | ClassReader.SKIP_FRAMES);
        }
    }

    private static final class Code extends ClassVisitor {
        private final String name;

        Code(String name) {
            super(Opcodes.ASM9);
            this.name = name;
        }

        @Override
        public AnnotationVisitor visitAnnotation(String descriptor, boolean visible) {
            return guard(descriptor, name);
        }

        @Override
        public MethodVisitor visitMethod(int access, String method, String type, String signature, String[] thrown) {
            final String place = name + "." + method;
            return new MethodVisitor(Opcodes.ASM9) {
                @Override
                public AnnotationVisitor visitAnnotation(String descriptor, boolean visible) {
                    return guard(descriptor, place);
                }

                @Override
                public void visitInvokeDynamicInsn(String called, String type, Handle bootstrap, Object... parts) {
                    say("indy", place);
                }
            };
        }

        private static AnnotationVisitor guard(String descriptor, final String place) {
            if (!descriptor.equals(GUARD_DESCRIPTOR)) {
                return null;
            }
            return new AnnotationVisitor(Opcodes.ASM9) {
                @Override
                public void visit(String key, Object level) {
                    say("guarded", place + " (API " + level + ")");
                }
            };
        }
    }

    /** Prints errors as findings of a kind; nothing where there is no kind. */
    private static final class Lines implements Logger {
        private final String kind;

        Lines(String kind) {
            this.kind = kind;
        }

        @Override
        public void error(String message) {
            if (kind != null) {
                say(kind, message);
            }
        }

        @Override
        public void error(String message, Throwable cause) {
            error(message + ": " + cause);
        }

        @Override
        public void info(String message) {}

        @Override
        public void info(String message, Throwable cause) {}

        @Override
        public void debug(String message) {}

        @Override
        public void debug(String message, Throwable cause) {}

        @Override
        public void warn(String message) {}

        @Override
        public void warn(String message, Throwable cause) {}
    }
}
