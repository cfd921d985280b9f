"""Guest RAM, and the one door for the hypervisor's stores."""
