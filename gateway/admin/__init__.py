"""The admin listener: metrics, health, routes, reload."""

from gateway.admin.endpoints import admin_app
from gateway.admin.listener import AdminListener, start_admin
from gateway.admin.readiness import Readiness
from gateway.admin.view import AdminView, Question

__all__ = ["AdminListener", "AdminView", "Question", "Readiness", "admin_app", "start_admin"]
