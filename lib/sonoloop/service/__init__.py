"""What the server does, without HTTP: inference, training, batches, scoring, sessions, labels.

:class:`sonoloop.service.server.Service` holds it all together. Nothing here imports torch or
FastAPI: a training is another process, and the web room translates.
"""
