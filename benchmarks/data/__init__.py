"""The data room: one file per dataset, the decoded cache, and the splits."""
