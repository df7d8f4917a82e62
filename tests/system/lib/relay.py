"""relay - a TCP relay that can fall silent: it takes what is sent and gives nothing, and nobody is
told.  To those who are connected, and to those who connect, that is a peer that is gone."""

import select
import socket
import threading

PIECE = 65536


class Relay:
    """From a port of its own on loopback to another one."""

    def __init__(self, to_port):
        self.to_port = to_port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        self.is_silent = threading.Event()
        self.is_over = threading.Event()
        self.pairs = []  # (client, server or None)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def silence(self):
        self.is_silent.set()

    def speak(self):
        """To those who connect from now on; who was met with silence stays so."""
        self.is_silent.clear()

    def close(self):
        self.is_over.set()
        self.thread.join()
        for pair in [*self.pairs, (self.listener,)]:
            for s in pair:
                if s is not None:
                    s.close()

    def run(self):
        while not self.is_over.is_set():
            if self.is_silent.is_set():
                self.pairs = [(client, None) for client, server in self.pairs
                              if server is None or not server.close()]
            peers = {}
            for client, server in self.pairs:
                if server is not None:
                    peers[client], peers[server] = server, client
            readable, _, _ = select.select([self.listener, *peers], [], [], 0.02)
            if self.is_silent.is_set():
                self.accept(readable, None)
                continue
            self.accept(readable, self.to_port)
            for s in readable:
                if s in peers:
                    self.pass_on(s, peers[s])

    def accept(self, readable, port):
        if self.listener not in readable:
            return
        client, _ = self.listener.accept()
        server = None
        if port is not None:
            try:
                server = socket.create_connection(("127.0.0.1", port))
            except OSError:
                client.close()
                return
        self.pairs.append((client, server))

    def pass_on(self, source, target):
        try:
            piece = source.recv(PIECE)
            if piece:
                target.sendall(piece)
                return
        except OSError:
            pass
        self.pairs = [pair for pair in self.pairs if source not in pair]
        source.close()
        target.close()
