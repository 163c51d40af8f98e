"""The rungs and ladders that lead to G4(MP2), and the reference values they are fitted on."""
