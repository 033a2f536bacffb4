"""Protocol Buffers messages and gRPC stubs of the bridge's inspection API, made from the ``.proto`` files here."""
