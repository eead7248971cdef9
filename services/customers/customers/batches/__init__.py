"""One action on many customers, as a job."""

BATCHES = "customerBatches"
