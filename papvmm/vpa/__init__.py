"""The areas a vcpu shares with its hypervisor: VPA, SLB shadow buffer, dispatch trace log."""
