"""Live events over Socket.IO: what happens on the server, told to whoever may see it."""
