"""Shares: listings, rclone, copies to disks and buckets, proofs."""
