"""What the organisation wrote, as plain ordered data for others to read: Kubernetes objects, and Envoy's documents.

    for compiled in compile_organisation(organisation, "prod"):
        for rendered in compiled.objects:
            rendered.object, rendered.provenance

Pure: no I/O, no clock, no randomness, so equal input gives equal bytes.
"""
