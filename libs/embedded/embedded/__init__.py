"""A private PostgreSQL and RabbitMQ, run by an ordinary process for development and tests. Nothing is installed."""
