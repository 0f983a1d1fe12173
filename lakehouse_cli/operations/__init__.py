"""Operations on stored tables beside running: comparing, copying, cleaning, previews."""
