package org.tflitekit.core.decode;

/** Bones between the 17 keypoints of a person in COCO, https://cocodataset.org/#format-data ("skeleton" of the category). */
public final class Skeleton {
    private static final int PERSON = 17;
    private static final int[][] BONES = {
        {15, 13}, {13, 11}, {16, 14}, {14, 12}, {11, 12}, {5, 11}, {6, 12}, {5, 6}, {5, 7}, {6, 8}, {7, 9}, {8, 10},
        {1, 2}, {0, 1}, {0, 2}, {1, 3}, {2, 4}, {3, 5}, {4, 6}
    };
    private static final int[][] NONE = {};

    private Skeleton() {}

    /** Returns pairs of keypoints that belong together; none where there are not 17 keypoints. */
    public static int[][] of(int keypoints) {
        return keypoints == PERSON ? BONES : NONE;
    }
}
