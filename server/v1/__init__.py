"""The Gymnasium protocol over REST: sessions of envs, versioned /v1."""
