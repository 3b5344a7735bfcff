"""A certificate authority for development and small deployments: one leaf per part of the gateway.

A leaf's CN is the role (RabbitMQ and Postgres read it), its one URI name the identity that our own
services read. Larger deployments bring their own authority and issue leaves of the same shape.
"""
