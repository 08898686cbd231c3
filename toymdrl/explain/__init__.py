"""The whole story on a model of one's own: damage, conflict subspace and rollback of a training sequence."""
