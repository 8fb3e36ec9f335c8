"""Prepare a photo for fitting: faces, landmarks, segmentation."""
