"""What ``papvmm bench`` measures, and how it is shown: figures, text, JSON, a picture."""
