package org.tflitekit.demo;
import static org.junit.Assert.*;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.*;
@RunWith(RobolectricTestRunner.class)
public class StubTest {
  @Test public void a() throws Exception {
    Stub s = Robolectric.buildActivity(Stub.class).setup().get();
    System.out.println(s.getPackageName() + org.tensorflow.lite.TensorFlowLite.class);
    System.out.println(java.util.Arrays.toString(s.getAssets().list("bundle")));
    org.tensorflow.lite.DesktopRuntime.load();
    System.out.println(org.tensorflow.lite.TensorFlowLite.runtimeVersion());
    org.tflitekit.core.inference.EngineFactory f = new org.tflitekit.core.inference.LiteRtCEngine.Factory(System.getProperty("tflitekit.litert.library"), "2.3.0");
    org.tflitekit.core.bundle.Bundle b = org.tflitekit.core.bundle.Bundle.read(new org.tflitekit.core.bundle.BundleFolder(new java.io.File(System.getProperty("tflitekit.bundle"))));
    f.open(b, b.variants.get(0), "cpu", 1).close();
  }
}
