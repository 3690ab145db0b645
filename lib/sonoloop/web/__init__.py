"""The server's face: MONAI Label's wire contract, a landing page, and one place for errors.

Routes decide nothing: they read a request, ask :mod:`sonoloop.service`, and write the answer.
"""
