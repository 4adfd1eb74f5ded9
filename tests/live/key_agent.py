"""An agent beside a client: sends what is added to a key log to a sensor's socket.

Usage: key_agent.py KEYLOG SOCKET

Says "connected" once it is, and runs until it is killed.
"""

import socket
import sys
import time

log, path = sys.argv[1:]
sensor = socket.socket(socket.AF_UNIX)
sensor.connect(path)
print("connected", flush=True)
with open(log, "rb") as lines:
    while True:
        if added := lines.read():
            sensor.sendall(added)
        time.sleep(0.02)
