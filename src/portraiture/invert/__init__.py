"""Photo → neural head: GOAE's encoder with feature alignment and occlusion-aware mix, and the
optimisations and encoders it is compared with."""
