"""A process that does what a test tells it: Python text in, a value or a traceback out. support.Peer is the other end.

Two sockets are inherited: the first carries the test's orders, the second (`link`) is for the code under test. Names stay from one
order to the next.
"""
import os
import pickle
import socket
import sys
import traceback

sys.dont_write_bytecode = True


def serve(control, link):
    names = {'link': link, 'os': os}
    while True:
        data, fds, _, _ = socket.recv_fds(control, 1 << 20, 16)
        if not data:
            return
        kind, code, values = pickle.loads(data)
        names.update(values, fds=fds)
        sent = []
        try:
            answer = None
            if kind == 'do':
                exec(code, names)
            else:
                answer = eval(code, names)
            if kind == 'fds':
                sent, answer = answer, None
            reply = ('ok', answer)
        except BaseException as error:
            reply = (type(error).__name__, traceback.format_exc())
            error = None
        socket.send_fds(control, [pickle.dumps(reply)], sent)


if __name__ == '__main__':
    serve(*[socket.socket(fileno=int(fd)) for fd in sys.argv[1:3]])
