/* A program whose file looks like an interpreter that holds all of Python: it exports a function of Python's API. */
void Py_InitializeEx(int install_signal_handlers);

__attribute__((visibility("default"))) void Py_InitializeEx(int install_signal_handlers)
{
    (void)install_signal_handlers;
}

int main(void)
{
    return 0;
}
