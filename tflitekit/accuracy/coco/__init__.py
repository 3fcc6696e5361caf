"""Average precision as COCO counts it, from a few columns of each picture, so that other draws of the pictures cost little."""
