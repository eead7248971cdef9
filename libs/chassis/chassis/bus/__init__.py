"""Events between services: envelope, relay, consumers, dead letters, and the process that runs them.

Importing this package imports neither nameko nor eventlet.
"""
