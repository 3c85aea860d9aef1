"""How the shipped weights were made: data synthesis, losses, loops. Nothing here runs when a picture is developed."""
