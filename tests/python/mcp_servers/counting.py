"""An MCP server whose tools count their calls in a file, a line each, before they do anything else.

    python counting.py http PORT FILE [--stateful]
    python counting.py stdio FILE

Over HTTP it prints one line `ready` when it listens (port 0 takes a free one: `ready PORT`).
"""

import asyncio
import base64
import os
import socket
import sys

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

# The smallest PNG: one transparent pixel.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def build(counter: str) -> MCPServer:
    def count(line: str) -> None:
        """Durable before the tool does anything: a crash on either side loses no call."""
        with open(counter, "a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    server = MCPServer("counting")

    @server.tool(annotations=ToolAnnotations(readOnlyHint=True))
    def add(a: int, b: int) -> str:
        """Add two numbers."""
        count(f"add {a} {b}")
        return str(a + b)

    @server.tool(annotations=ToolAnnotations(idempotentHint=True))
    def put(key: str, value: str) -> str:
        """Set a key to a value."""
        count(f"put {key} {value}")
        return "put"

    @server.tool(annotations=ToolAnnotations(destructiveHint=True))
    def send(message: str) -> str:
        """Send a message that cannot be taken back."""
        count(f"send {message}")
        return f"sent {message}"

    @server.tool(annotations=ToolAnnotations(destructiveHint=True))
    async def send_slowly(message: str, seconds: float) -> str:
        """Send a message, and take some time to say so."""
        count(f"send_slowly {message}")
        await asyncio.sleep(seconds)
        return f"sent {message}"

    @server.tool(annotations=ToolAnnotations(readOnlyHint=True))
    def fail(reason: str) -> str:
        """Go wrong."""
        count(f"fail {reason}")
        raise ToolError(reason)

    @server.tool(annotations=ToolAnnotations(readOnlyHint=True))
    def picture() -> Image:
        """A very small picture."""
        count("picture")
        return Image(data=PIXEL, format="png")

    @server.tool(annotations=ToolAnnotations(readOnlyHint=True))
    async def steps(number: int, ctx: Context) -> str:
        """Tell progress on the way."""
        count(f"steps {number}")
        for step in range(number):
            await ctx.report_progress(step + 1, number, f"step {step + 1}")
        return f"{number} steps"

    return server


async def serve(server: MCPServer, port: int, stateful: bool) -> None:
    import uvicorn

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    print("ready", listener.getsockname()[1], flush=True)
    app = server.streamable_http_app(stateless_http=not stateful)
    await uvicorn.Server(uvicorn.Config(app, log_level="error")).serve(sockets=[listener])


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        build(sys.argv[2]).run("stdio")
    else:
        asyncio.run(serve(build(sys.argv[3]), int(sys.argv[2]), "--stateful" in sys.argv))
