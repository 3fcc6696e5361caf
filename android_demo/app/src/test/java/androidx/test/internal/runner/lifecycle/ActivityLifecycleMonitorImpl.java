package androidx.test.internal.runner.lifecycle;

import android.app.Activity;
import androidx.test.runner.lifecycle.ActivityLifecycleMonitor;
import androidx.test.runner.lifecycle.Stage;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Map;
import java.util.WeakHashMap;

/** Remembers the last lifecycle stage of each activity. */
public final class ActivityLifecycleMonitorImpl implements ActivityLifecycleMonitor {
  private final Map<Activity, Stage> stages = new WeakHashMap<>();

  public synchronized void signalLifecycleChange(Stage stage, Activity activity) {
    stages.put(activity, stage);
  }

  @Override
  public synchronized Stage getLifecycleStageOf(Activity activity) {
    return stages.get(activity);
  }

  @Override
  public synchronized Collection<Activity> getActivitiesInStage(Stage stage) {
    Collection<Activity> found = new ArrayList<>(stages.keySet());
    found.removeIf(activity -> stages.get(activity) != stage);
    return found;
  }
}
