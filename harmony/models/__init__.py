"""The multi-view denoisers behind one interface (`harmony.models.base`)."""
