"""The verb *optimize*, and what runs it many times."""
