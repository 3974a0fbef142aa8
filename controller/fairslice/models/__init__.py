"""Theory as numbers: queues, schedulers, buckets, sources of traffic, congestion control; pure and seeded."""
