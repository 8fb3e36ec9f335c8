"""From a photo to what the fit needs of it: faces, landmarks, the person's outline."""
