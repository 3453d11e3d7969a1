#!/usr/bin/env python3
"""Mounts a FUSE file system at DIR that never answers, says so, and takes it away when standard input ends."""
import ctypes
import os
import sys

MNT_DETACH = 2
directory = sys.argv[1].encode()
libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % device
if libc.mount(b"hung", directory, b"fuse", 0, options) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.read()
# Without a reader the kernel aborts whoever waits.
libc.umount2(directory, MNT_DETACH)
os.close(device)
