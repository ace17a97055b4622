"""Runs code that comes by standard input, one piece after the other, in one namespace. What a piece says goes to standard
output and standard error between two marks, which nobody else knows; the second says how it ended."""
import ast, builtins, linecache, os, signal, sys, traceback, types

source = os.fdopen(os.dup(0), "rb")
marks = os.dup(1), os.dup(2)
nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0)
own, busy, count = os.getpid(), False, 0


def fresh():
    """The namespace is that of the main module, as in a script."""
    module = types.ModuleType("__main__")
    module.__builtins__ = builtins
    sys.modules["__main__"] = module
    return module.__dict__


def interrupted(*_):
    global busy
    if busy:
        busy = False
        raise KeyboardInterrupt


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def tell(mark, word):
    flush()
    for stream in marks:
        rest = f"\0{mark}:{word}\0".encode()
        while rest:
            rest = rest[os.write(stream, rest):]


def run(code, scope):
    """Its exit code. The value of an expression at its end is shown, as at a prompt."""
    global busy, count
    count += 1
    name = f"<cell {count}>"
    try:
        busy = True
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), scope)
        if last is not None:
            exec(compile(ast.Interactive([last]), name, "single"), scope)
        busy = False
        return 0
    except SystemExit as end:
        busy = False
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 255
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        busy = False
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == run.__code__.co_filename:
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
        return 1


signal.signal(signal.SIGINT, interrupted)
scope = fresh()
while head := source.readline():
    mark, size, clear = head.decode().split()
    code = source.read(int(size)).decode()
    if clear == "1":
        scope = fresh()
    tell(mark, "begin")
    try:
        status = run(code, scope)
    except BaseException:
        busy, status = False, 1
        traceback.print_exc()
    if os.getpid() != own:
        # Somebody forked and did not end.
        flush()
        os._exit(status)
    tell(mark, status)
