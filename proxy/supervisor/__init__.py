"""The parent of all: binds the port, starts gateways and control, restarts what dies, drains on SIGTERM.

It imports nothing heavy and does nothing else: ``instance`` is the mark of who serves a data folder, ``binding`` finds
the address, ``children`` starts and watches the processes, ``banner`` says where everything is. Its sockets stay open
while a gateway is replaced, so that no caller is reset; its pipe's end tells the children when it is gone.
"""
