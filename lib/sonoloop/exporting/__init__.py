"""What leaves a workspace: the whole project as an archive, and labels in the forms of others."""
