"""The edge of a transform: finding the function, giving it frames, taking its result.

pandas and polars are imported when a transform wants a frame of theirs, not before.
"""

from lakehouse_cli.transforms.call import apply
from lakehouse_cli.transforms.frames import FrameType, frame_type_of
from lakehouse_cli.transforms.loading import Parameter, Transform, load_transform
from lakehouse_cli.transforms.objects import Argument, ObjectInput, PartitionedObjects
from lakehouse_cli.transforms.shared_tables import SharedTable, StreamedTable

__all__ = [
    "Argument",
    "FrameType",
    "ObjectInput",
    "Parameter",
    "PartitionedObjects",
    "SharedTable",
    "StreamedTable",
    "Transform",
    "apply",
    "frame_type_of",
    "load_transform",
]
