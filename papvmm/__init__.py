"""papvmm: an asyncio-based virtual machine monitor for PAPR (pseries) ppc64 guests."""

__version__ = "0.1.0"
