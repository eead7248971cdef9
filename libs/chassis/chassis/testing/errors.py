"""What a refused call says."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2


def error_of(call: Callable[..., object], *arguments: Any, **more: Any) -> grpc.RpcError:
    """The error of a call that must not succeed."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **more)
    return caught.value


def details_of(error: grpc.RpcError) -> list[Any]:
    """The details of an error's status, packed."""
    metadata: Any = dict(error.trailing_metadata())  # type: ignore[arg-type]
    return list(status_pb2.Status.FromString(metadata["grpc-status-details-bin"]).details)


def info_of(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    """The first of the details, which every refusal has."""
    info = error_details_pb2.ErrorInfo()
    assert details_of(error)[0].Unpack(info)
    return info


def refusal(error: grpc.RpcError) -> tuple[str, str]:
    """The code and the reason of an error."""
    return error.code().name, info_of(error).reason
